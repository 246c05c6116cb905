"""`python -m workers`: works the queues until it is told to stop."""

from rq import Worker
from rq.serializers import JSONSerializer

from core import runtime
from core.queues import QUEUES, broker, wait_for_broker
from workers import jobs  # loaded once here, so that no forked job has to

settings = runtime.start()
runtime.require_tables()
wait_for_broker(settings)
Worker(
    list(QUEUES),
    connection=broker(settings),
    serializer=JSONSerializer,
    exception_handlers=[jobs.report_failure],
    maintenance_interval=60,  # seconds after which a job whose worker was killed is found and tried again
).work(with_scheduler=True, logging_level=settings.log_level)
