"""Whether Vigil runs itself as soon as it is started."""

import dagster as dg

from vigil_resources.settings import Settings

_IS_ON = Settings.from_environment().automation

SENSORS = dg.DefaultSensorStatus.RUNNING if _IS_ON else dg.DefaultSensorStatus.STOPPED
"""Of sensors that start loads and builds. What a page of Dagster's says wins."""

SCHEDULES = dg.DefaultScheduleStatus.RUNNING if _IS_ON else dg.DefaultScheduleStatus.STOPPED
