#!/usr/bin/env python3
"""Makes languages.csv from the JSON of the npm package language-subtag-registry.

Usage: npm pack language-subtag-registry && tar xzf *.tgz
       python3 data/make.py package/data/json > data/languages.csv
"""
import json
import pathlib
import sys

folder = pathlib.Path(sys.argv[1])
for entry in json.loads((folder / "registry.json").read_text(encoding="utf-8")):
    name = entry.get("Subtag") or entry.get("Tag")
    if ".." in name:
        continue
    value = "; ".join(entry["Description"]) + f" (added {entry['Added']}"
    if "Preferred-Value" in entry:
        value += f", use {entry['Preferred-Value']}"
    prefix = "+".join(entry["Prefix"]) + "/" if entry["Type"] == "variant" and "Prefix" in entry else ""
    print(f"{entry['Type']}/{name},{value}{', with ' + prefix[:-1] if prefix else ''})")
