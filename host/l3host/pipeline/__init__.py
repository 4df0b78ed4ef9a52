"""From a recipe to a compressed model and its report: the stages of `l3mote compress`, many recipes at once, the HTML page."""
