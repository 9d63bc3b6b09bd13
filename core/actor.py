"""Who asks for something, and whether they may. Checked in core, whatever a page shows or hides."""

from dataclasses import dataclass

from core.errors import RightsError

LOCAL_OWNER = "local"


@dataclass(frozen=True)
class Actor:
    """A person who asks for something.

    Attributes:
        id: what runs and datasets note as their owner.
        name: what others see.
        presenter: may change what belongs to anyone, and the room.
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
            raise RightsError(f"{thing} belongs to another person: only its owner and the presenter can change it.")

    def check_presenter(self, deed: str) -> None:
        """Refuse unless this one is the presenter.

        Raises:
            RightsError: names what was wanted, such as "Pause the queue".
        """
        if not self.presenter:
            raise RightsError(f"{deed} is for the presenter only: ask them, or open the Room page with their secret.")


# a person with a shell on the machine, or the only one who can reach the app, can do everything anyway
OPERATOR = Actor(LOCAL_OWNER, LOCAL_OWNER, presenter=True)
