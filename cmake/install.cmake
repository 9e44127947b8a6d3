# prefix/bin, prefix/lib/saturn, prefix/share/saturn.
