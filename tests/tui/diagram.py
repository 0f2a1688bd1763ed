"""The 31 arrows of the sequence diagram, each with the status in its note."""

from __future__ import annotations

BEFORE_THE_BRANCH = [
    ("C", "K", None, "connect to the Server"),
    ("S", "K", None, "connect to the Server"),
    ("C", "K", "PLACED 1001", "places the order"),
    ("K", "D", "PLACED 1001", "status changed to 1001"),
    ("K", "S", "PLACED 1001", "receives the order"),
    ("S", "K", "ACCEPTED 1004", "accepts the order"),
    ("K", "D", "ACCEPTED 1004", "status changed to 1004"),
    ("K", "C", "ACCEPTED 1004", "accepted the order"),
]
GOES_WITH_THE_ORDER = [
    ("C", "K", "STARTED 1005", "notify that the serviceman has started the service"),
    ("K", "D", "STARTED 1005", "status changed to 1005"),
    ("K", "S", "STARTED 1005", "receives the starting notification"),
    ("S", "K", "ORDER_CHANGED 1006", "request to extend one of the services"),
    ("K", "D", "ORDER_CHANGED 1006", "status changed to 1006"),
    ("K", "C", "ORDER_CHANGED 1006", "receives the request for extension"),
    ("C", "K", "EXTENDED 1007", "notification on the service being extended"),
    ("K", "D", "EXTENDED 1007", "status changed to 1007"),
    ("K", "S", "EXTENDED 1007", "receives extended notification"),
    ("C", "K", "PAYMENT 1010", "notification to initiate the payment"),
    ("K", "D", "PAYMENT 1010", "status changed to 1010"),
    ("K", "S", "PAYMENT 1010", "receives the payment notification"),
    ("S", "K", "PAYMENT_VERIFICATION 1011", "send payment verification notification"),
    ("K", "D", "PAYMENT_VERIFICATION 1011", "status changed to 1011"),
    ("K", "C", "PAYMENT_VERIFICATION 1011", "receives the payment verification notification"),
    ("C", "K", "ORDER_COMPLETE 1009", "order complete notification"),
    ("K", "D", "ORDER_COMPLETE 1009", "status changed to 1009"),
    ("K", "S", "ORDER_COMPLETE 1009", "receives order completion notification"),
]
CANCELS_THE_ORDER = [
    ("C", "K", "CANCELLED 1008", "cancels the order"),
    ("K", "D", "CANCELLED 1008", "status changed to 1008"),
    ("K", "S", "CANCELLED 1008", "receives the cancellation notification"),
]
AFTER_THE_BRANCH = [
    ("K", "S", None, "disconnect from the Server"),
    ("K", "C", None, "disconnect from the Server"),
]

DIAGRAM = BEFORE_THE_BRANCH + GOES_WITH_THE_ORDER + CANCELS_THE_ORDER + AFTER_THE_BRANCH
# Both branches one after the other: the second order is placed and accepted before it is cancelled.
BOTH_ORDERS = (
    BEFORE_THE_BRANCH + GOES_WITH_THE_ORDER + BEFORE_THE_BRANCH[2:] + CANCELS_THE_ORDER + AFTER_THE_BRANCH
)
