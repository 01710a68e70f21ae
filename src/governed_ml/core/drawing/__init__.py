"""Drawing for pages: pictures in SVG, and the style sheet that all pages share."""
