"""What the studies share: the study itself, its command line, its runs, table, picture and the paper's figures."""
