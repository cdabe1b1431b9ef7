"""The app of Ramify's own Celery workers: `celery -A ramify.executors.celery_app worker`.

`CELERY_BROKER_URL` says where the broker is, `CELERY_RESULT_BACKEND` where results go (Redis keeps both).
"""

from __future__ import annotations

from ramify.executors.celery_tasks import new_app

app = new_app()
