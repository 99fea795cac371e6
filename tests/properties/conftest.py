"""Few, fixed examples in the normal tests; many new ones with `--hypothesis-profile=long`."""

from hypothesis import HealthCheck, settings

# On a busy machine any deadline is a matter of luck.
_ALWAYS = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
settings.register_profile("quick", max_examples=15, derandomize=True, **_ALWAYS)
settings.register_profile("long", max_examples=400, print_blob=True, **_ALWAYS)
settings.load_profile("quick")
