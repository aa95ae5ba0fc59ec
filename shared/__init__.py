"""What crosses the boundary between the game's side and the mods' side. Imports neither ``runner`` nor ``worker``."""
