"""Few examples, always the same, in the normal tests; many new ones by `--hypothesis-profile=long`."""

from hypothesis import HealthCheck, settings

# A busy machine makes any deadline a matter of luck.
_ALWAYS = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
settings.register_profile("quick", max_examples=15, derandomize=True, **_ALWAYS)
settings.register_profile("long", max_examples=400, print_blob=True, **_ALWAYS)
settings.load_profile("quick")
