"""What must be true beyond a contract's types: suites as YAML, and here the custom expectations they name.

The modules import Great Expectations, which takes seconds: import them inside the step that validates, never at parse.
"""
