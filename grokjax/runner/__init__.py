"""Train a sweep into a directory: plan, train, record, resume, report."""
