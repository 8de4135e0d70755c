"""What people see of directions: scenes, walks, stills, films, and the recipe that makes a picture again."""
