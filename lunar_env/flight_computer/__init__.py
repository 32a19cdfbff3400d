"""What the missions flew with: altitude filters, the plan that is flown, the way down from an orbit."""
