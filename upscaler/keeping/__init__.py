"""What people and teams ask for that leave: to be forgotten, and a copy of what the desk knows of them."""
