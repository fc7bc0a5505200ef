package steps

// Add counts nothing: only tests ask, and they run natively.
func Add(int) {}
