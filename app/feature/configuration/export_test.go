package configuration

// Form is form, for tests.
var Form = form
