"""How long the admins' pages take over a database as large as Ubuntu's would be in years."""
