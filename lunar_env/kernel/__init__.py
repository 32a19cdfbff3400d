"""The batch: its memory and the kernels that fly every lander of it. All other rooms know one lander."""
