"""What hangs over the village now, and for how long still."""

import random
from dataclasses import dataclass


@dataclass
class Sky:
    """Pickled by reference: after a reload an old sky runs the new code."""

    kind: str = "sun"
    strength: float = 0.3
    left: float = 0.0

    def pass_time(self, dt: float, climate: dict[str, float]) -> bool:
        """Let `dt` seconds go by; True when the weather changed."""
        self.left -= dt
        if self.left > 0:
            return False
        self.kind = random.choices(list(climate), list(climate.values()))[0]
        self.strength = round(random.uniform(0.4, 1.0), 2)
        self.left = random.uniform(4.0, 8.0)
        return True
