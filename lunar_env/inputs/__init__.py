"""What is given in from outside, checked once at the border: one wrong input has one answer, whatever the shell."""
