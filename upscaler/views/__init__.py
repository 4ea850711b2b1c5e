"""The pages. Each view finds rows of the person's own team, and leaves every rule to the rooms below."""
