"""On whose behalf something is done, and whether they may: asked in core, whatever a page shows or hides."""

from dataclasses import dataclass

from core.errors import RightsError

LOCAL_OWNER = "local"


@dataclass(frozen=True)
class Actor:
    """Somebody who asks for something.

    Attributes:
        id: what runs and datasets note as their owner.
        name: what others see.
        presenter: may change what belongs to anybody, and the room.
    """

    id: str
    name: str
    presenter: bool = False

    def may_change(self, owner: str) -> bool:
        """Whether this one may stop, rename or delete what belongs to `owner`."""
        return self.presenter or self.id == owner

    def check_may_change(self, owner: str, thing: str) -> None:
        """Refuse unless this one may change what belongs to `owner`.

        Raises:
            RightsError: names the thing.
        """
        if not self.may_change(owner):
            raise RightsError(f"{thing} belongs to somebody else: only its owner and the presenter can change it.")

    def check_presenter(self, deed: str) -> None:
        """Refuse unless this one is the presenter.

        Raises:
            RightsError: names what was wanted, such as "Pause the queue".
        """
        if not self.presenter:
            raise RightsError(f"{deed} is for the presenter only: ask them, or open the Room page with their secret.")


# whoever has a shell on the machine, or the only person at an app that listens to nobody else, can do everything anyway
OPERATOR = Actor(LOCAL_OWNER, LOCAL_OWNER, presenter=True)
