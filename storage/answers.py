"""Answers: what we say to a comment with commands; written with the commands' effects, so that they happen once."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from storage.database import Base


class Answer(Base):
    __tablename__ = "answers"

    comment_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)  # the comment asked in
    thread_id: Mapped[str] = mapped_column(ForeignKey("threads.id"))
    asked_by: Mapped[str]
    reacts: Mapped[bool] = mapped_column(default=True)  # a review cannot be reacted to
    reaction: Mapped[str]  # "rocket", "confused" or "-1"
    seen_reaction_id: Mapped[int | None] = mapped_column(BigInteger)  # our "eyes", removed with the answer
    sentence: Mapped[str | None]  # None: the reaction says it all
    reply_id: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
