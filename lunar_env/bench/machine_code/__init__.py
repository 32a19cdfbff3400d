"""What a GPU would run, read without one: ``python -m lunar_env.bench.machine_code [--arch 90] [--check]``.

The kernels are compiled for an architecture and disassembled, and one warp of 32 landers is walked through the machine
code on real tables, instruction by instruction. So registers, stack and spills are the compiler's own figures, and
instructions and sectors of memory are counted, not estimated; what the walk leaves in the tables agrees with the CPU's
own step to rounding. It tells nothing of time: caches, latencies and the clock are not in it.
"""
