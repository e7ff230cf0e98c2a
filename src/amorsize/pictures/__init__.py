"""Pictures and pages: SVG and HTML as text, and figures of matplotlib."""
