"""What experiments share: settings, sweeps that are trained once, and how a finding is written down."""
