"""Who answers: processes of this machine, or actors of a Ray cluster that each hold one."""
