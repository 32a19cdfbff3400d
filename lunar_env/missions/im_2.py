"""IM-2 "Athena", 6 March 2025: an altimeter that was noisy from 30 km on; on its side in a crater.

Noise on the altimeter from about 30 km that never improved, distortion in the final phase under a low sun; skidded on a
plateau and came to rest in a crater 250 m (company) or 400 m (NASA) from its target [V2: ARS2, TG].
"""

from dataclasses import replace

from lunar_env.changes import change
from lunar_env.faults.kinds import Faults, NoiseBurst, Outliers, UnsteadySite
from lunar_env.missions import im_1, measures
from lunar_env.missions.mission import Check, Mission
from lunar_env.missions.whole_descent import HIGHLAND
from lunar_env.sensors.devices import TEAMINDUS_LONG_RANGE_LASER
from lunar_env.task import Outcome

PLANNED = change(
    im_1.PLANNED,
    {
        "name": "im_2_planned",
        "summary": "Athena, of Odysseus's kind, as planned: lasers that work",
    },
)
FLOWN = change(
    PLANNED,
    {
        "name": "im_2",
        "summary": "Athena as it flew: range noise thirty times the normal one, outliers, a crater's wall",
        # Craters that the data base, made from 100 km up, did not show [V2: ARS2]: steep ground where it met it [P].
        "terrain": replace(HIGHLAND, roughness=1.0),
        "sensors": (TEAMINDUS_LONG_RANGE_LASER,),  # without Doppler, since it skidded sideways [P]
        "faults": Faults(
            unsteady_site=UnsteadySite(probability=1.0, drift=2.8),  # like IM-1 [P]
            noise_burst=NoiseBurst(probability=1.0, excess=29.0),  # the worst of the reference's range [P]
            outliers=Outliers(probability=1.0, share=0.02),
        ),
    },
)

IM_2 = Mission(
    title="IM-2 Athena",
    date="2025-03-06",
    story="Altimeter noise from 30 km on that never improved; skidded and came to rest on its side in a crater",
    flown=FLOWN,
    planned=PLANNED,
    plan=im_1.IM_1.plan,
    checks=(Check("tipped over", "share", 1.0, 0.8, 1.0, "[V2: ARS2]", measures.share(Outcome.TIPPED_OVER)),),
)
