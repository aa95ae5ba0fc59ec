"""Who may enter the barn. Of all mods that refuse, the one of highest priority is heard."""

from fumehood.worker import on, refuse


@on("can_enter", priority=100, where="barn")
def can_enter(who: str, where: str) -> None:
    if who == "wolf":
        refuse("wolves stay outside")
