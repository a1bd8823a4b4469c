from whitenoise.storage import (  # type: ignore[import-untyped]
    CompressedManifestStaticFilesStorage,
)

IMPORTS = (
    (
        r"""(?P<matched>(?P<start>import\s[^"';]+from)\s*["'](?P<url>\./[^"']+)["'];)""",
        """%(start)s "%(url)s";""",
    ),
    (r"""(?P<matched>import\s*["'](?P<url>\./[^"']+)["'];)""", """import "%(url)s";"""),
)


class ModuleManifestStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Rewrite the imports of the app's JavaScript modules to hashed names, as is done for CSS.

    Django can rewrite every module (``support_js_module_import_aggregation``), but takes strings
    in the extensions of htmx for imports.
    """

    patterns = (*CompressedManifestStaticFilesStorage.patterns, ("tokens/js/*.js", IMPORTS))
