"""Operations, supervisors of workers, and runs of chores."""

from operations.models.chore import ChoreRun
from operations.models.operation import Operation
from operations.models.supervisor import Supervisor
from operations.models.tally import OperationTally
from operations.states import LIVE_STATES, ExchangeState, OperationScope, OperationState, Priority

__all__ = [
    "LIVE_STATES",
    "ChoreRun",
    "ExchangeState",
    "Operation",
    "OperationScope",
    "OperationState",
    "OperationTally",
    "Priority",
    "Supervisor",
]
