"""Whether an order is protected: one rule for its page, the orders, the fleet, the API, the metrics and the alarm."""
