//! Modules import each other in one direction only.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{read_dir, read_to_string};
use std::path::Path;

#[test]
fn no_module_imports_itself_through_others() {
    let mut left: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.extension().is_some_and(|extension| extension == "rs") && name != "lib" {
            let text = read_to_string(&path).unwrap();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let imported = code.flat_map(|line| line.split("crate::").skip(1)).map(|rest| {
                rest.split(|each: char| !each.is_alphanumeric() && each != '_').next().unwrap_or_default().to_owned()
            });
            left.insert(name, imported.collect());
        }
    }
    let modules: BTreeSet<String> = left.keys().cloned().collect();
    assert!(modules.contains("watch") && left["watch"].contains("tracker"), "{left:?}");
    while !left.is_empty() {
        let free = left.iter().find(|(_, imported)| imported.iter().all(|each| !left.contains_key(each)));
        let free = free.map(|(name, _)| name.clone()).unwrap_or_else(|| panic!("a circle among {:?}", left.keys()));
        left.remove(&free);
    }
}
