"""Texts of libraries that people may read and that the libraries do not have in all of our languages.

They are looked up under the library's own words; naming them here puts them into our catalogs, which come first.
"""

from __future__ import annotations

from django.utils.translation import gettext_noop

# Of djangorestframework, for fields of requests.
gettext_noop("Not a valid string.")
gettext_noop("Must be a valid boolean.")
gettext_noop("Surrogate characters are not allowed: U+{code_point:X}.")
