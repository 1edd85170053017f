"""People who have logged in with GitHub."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.database import Base, Id, new_id


class User(Base):
    __tablename__ = "users"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    github_id: Mapped[int] = mapped_column(BigInteger, unique=True)  # a login may be given to somebody else
    login: Mapped[str]
    email: Mapped[str | None]
    created_at: Mapped[datetime]
    logged_in_at: Mapped[datetime]
    logged_out_at: Mapped[datetime | None]  # whatever was signed for them before is void

    @property
    def name(self) -> str:
        return self.email or self.login


def log_in(session: Session, github_id: int, login: str, email: str | None, *, now: datetime) -> User:
    """The user of this GitHub account, made at the first login, with the name and e-mail that it has now."""
    user = find_by_github_id(session, github_id)
    if user is None:
        user = User(github_id=github_id, created_at=now)
        session.add(user)
    user.login, user.email, user.logged_in_at = login, email, now
    session.flush()
    return user


def find_by_github_id(session: Session, github_id: int) -> User | None:
    return session.scalar(select(User).where(User.github_id == github_id))


def get(session: Session, user_id: str) -> User | None:
    return session.get(User, user_id)
