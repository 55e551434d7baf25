"""CloudWatch as far as alarms and dashboard need it, and the local AWS has it not: metrics out of log lines,
and what is made of them."""
