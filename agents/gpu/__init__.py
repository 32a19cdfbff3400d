"""What a machine with a GPU is asked in one call: agreement with the CPU, memory, speed, training, tests, counters."""
