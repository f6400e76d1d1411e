//! The order of the rooms in docs/development.md holds: a room imports only from rooms below it, every room is listed, and no files import
//! each other in a circle. Code for tests is left out.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use syn::{
    Attribute, Item, ItemMod, UseTree,
    visit::{self, Visit},
};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Rooms of a crate, from the top floor down; rooms of one floor do not import each other.
type Floors = Vec<Vec<String>>;

/// The blocks marked `rooms` there: a line for a folder, and below it a line for each floor.
fn plan(page: &str) -> Vec<(String, Floors)> {
    let mut crates = Vec::<(String, Floors)>::new();
    for block in page.split("```rooms\n").skip(1) {
        for line in block.split("```").next().unwrap_or_default().lines() {
            let names = line.split(" — ").next().unwrap_or_default();
            match crates.last_mut().filter(|_| line.starts_with(' ')) {
                Some((_, floors)) => floors.push(names.split_whitespace().map(ToOwned::to_owned).collect()),
                None => crates.push((names.trim().to_owned(), Vec::new())),
            }
        }
    }
    crates
}

/// Path of a module, such as `["bucket", "website"]`; the root of the crate has none.
type Module = Vec<String>;

#[derive(Default)]
struct Source {
    /// Names that a module re-exports, and where they are from.
    reexported: BTreeMap<String, Module>,
    /// Modules, or items in them, that it names.
    named: BTreeSet<Module>,
}

/// Every file of the crate in `folder` that is not for tests.
fn read(folder: &Path) -> BTreeMap<Module, Source> {
    let root = ["main.rs", "lib.rs"].map(|name| folder.join(name));
    let mut sources = BTreeMap::new();
    // a `main.rs` beside a `lib.rs` is above it and imports it by the name of the crate: it is not read
    let root = root.into_iter().rfind(|path| path.is_file()).unwrap();
    read_module(&root, folder, &Module::new(), &mut sources);
    sources
}

fn read_module(file: &Path, folder: &Path, module: &Module, into: &mut BTreeMap<Module, Source>) {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut reader = Reader { module, inner: Vec::new(), children: Vec::new(), source: Source::default() };
    reader.children = children(&parsed.items);
    reader.visit_file(&parsed);
    let children = std::mem::take(&mut reader.children);
    into.insert(module.clone(), reader.source);
    for name in children {
        let places: [PathBuf; 2] = [folder.join(format!("{name}.rs")), folder.join(&name).join("mod.rs")];
        let file = places.iter().find(|path| path.is_file()).unwrap_or_else(|| panic!("{}: no file for mod {name}", file.display()));
        let child = module.iter().cloned().chain([name.clone()]).collect();
        read_module(file, &folder.join(&name), &child, into);
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.meta.require_list().is_ok_and(|list| {
                let condition = list.tokens.to_string();
                let mut words = condition.split(|character: char| !character.is_alphanumeric());
                words.any(|word| word == "test") && !condition.contains("not")
            })
    })
}

fn children(items: &[Item]) -> Vec<String> {
    let of_file = |item: &Item| match item {
        Item::Mod(ItemMod { attrs, content: None, ident, .. }) if !is_for_tests(attrs) => Some(ident.to_string()),
        _ => None,
    };
    items.iter().filter_map(of_file).collect()
}

struct Reader<'a> {
    module: &'a Module,
    /// Modules within the file that are being read.
    inner: Vec<String>,
    children: Vec<String>,
    source: Source,
}

impl Reader<'_> {
    /// The path from the root of the crate, if `segments` is one within it.
    fn absolute(&self, segments: &[String]) -> Option<Module> {
        let (first, rest) = segments.split_first()?;
        let mut from: Module = self.module.iter().chain(&self.inner).cloned().collect();
        match first.as_str() {
            "crate" => from.clear(),
            "self" => {}
            "super" => drop(from.pop()),
            child if self.children.iter().any(|known| known == child) => from.push(child.to_owned()),
            _ => return None,
        }
        for segment in rest {
            if segment == "super" {
                from.pop();
            } else if segment != "self" {
                from.push(segment.clone());
            }
        }
        Some(from)
    }

    fn walk(&mut self, tree: &UseTree, mut segments: Vec<String>, is_public: bool) {
        match tree {
            UseTree::Path(path) => {
                segments.push(path.ident.to_string());
                self.walk(&path.tree, segments, is_public);
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.walk(tree, segments.clone(), is_public)),
            UseTree::Glob(_) => self.note(&segments, None),
            UseTree::Name(name) => {
                segments.push(name.ident.to_string());
                self.note(&segments, is_public.then(|| name.ident.to_string()));
            }
            UseTree::Rename(rename) => {
                segments.push(rename.ident.to_string());
                self.note(&segments, is_public.then(|| rename.rename.to_string()));
            }
        }
    }

    fn note(&mut self, segments: &[String], reexported_as: Option<String>) {
        let Some(path) = self.absolute(segments) else { return };
        if let Some(name) = reexported_as {
            self.source.reexported.insert(name, path);
        } else {
            self.source.named.insert(path);
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.inner.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.inner.pop();
    }

    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Mod(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            Item::Struct(item) => &item.attrs,
            Item::Const(item) => &item.attrs,
            Item::Macro(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        if !is_for_tests(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_for_tests(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.walk(&item.tree, Vec::new(), !matches!(item.vis, syn::Visibility::Inherited));
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1 {
            self.note(&segments, None);
        }
        visit::visit_path(self, path);
    }
}

/// The file that `path` leads to, through re-exports.
fn file_of(path: &[String], sources: &BTreeMap<Module, Source>) -> Module {
    let mut at = Module::new();
    for (index, segment) in path.iter().enumerate() {
        let below: Module = at.iter().cloned().chain([segment.clone()]).collect();
        if sources.contains_key(&below) {
            at = below;
        } else {
            return match sources[&at].reexported.get(segment) {
                Some(from) if !from.starts_with(path) => {
                    file_of(&from.iter().chain(&path[index + 1..]).cloned().collect::<Vec<_>>(), sources)
                }
                _ => at,
            };
        }
    }
    at
}

/// The imports of a crate, from file to file.
fn arrows(sources: &BTreeMap<Module, Source>) -> BTreeMap<&Module, BTreeSet<Module>> {
    let of = |(module, source): (_, &Source)| {
        let files = source.named.iter().map(|path| file_of(path, sources));
        (module, files.filter(|file| file != module).collect())
    };
    sources.iter().map(of).collect()
}

/// The shortest way from `start` back to itself.
fn circle<'a>(start: &'a Module, arrows: &'a BTreeMap<&Module, BTreeSet<Module>>) -> Option<Vec<&'a Module>> {
    let mut ways = vec![vec![start]];
    let mut seen = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            for next in arrows.get(way[way.len() - 1]).into_iter().flatten() {
                if next == start {
                    return Some(way);
                }
                if seen.insert(next) {
                    longer.push(way.iter().copied().chain([next]).collect());
                }
            }
        }
        ways = longer;
    }
    None
}

fn name(module: &Module) -> String {
    if module.is_empty() { "the root".to_owned() } else { module.join("/") }
}

/// Violations of the order in the crate in `folder`.
fn faults(folder: &str, floors: &Floors) -> Vec<String> {
    let sources = read(&Path::new(ROOT).join(folder));
    let rooms: BTreeSet<&String> = sources.keys().filter_map(|module| module.first()).collect();
    let planned: BTreeSet<&String> = floors.iter().flatten().collect();
    let mut faults: Vec<_> =
        rooms.difference(&planned).map(|room| format!("{folder}: room {room} is not in docs/development.md")).collect();
    faults.extend(planned.difference(&rooms).map(|room| format!("{folder}: there is no room {room}")));

    let floor = |module: &Module| Some(floors.iter().position(|floor| floor.contains(&module[0])).unwrap_or(floors.len()));
    let arrows = arrows(&sources);
    for (&from, to) in arrows.iter().filter(|(from, _)| !from.is_empty()) {
        let upward = |to: &&Module| to.is_empty() || to[0] != from[0] && floor(to) <= floor(from);
        faults.extend(to.iter().filter(upward).map(|to| format!("{folder}: {} imports {}, which is not below it", name(from), name(to))));
    }
    let mut told = BTreeSet::new();
    for module in sources.keys() {
        if let Some(way) = circle(module, &arrows)
            && told.insert(way.iter().copied().collect::<BTreeSet<_>>())
        {
            let way: Vec<_> = way.into_iter().map(name).collect();
            faults.push(format!("{folder}: a circle: {} → {}", way.join(" → "), way[0]));
        }
    }
    faults
}

#[test]
fn no_room_imports_from_above_it_and_no_files_import_each_other_in_a_circle() {
    let crates = plan(&fs::read_to_string(Path::new(ROOT).join("docs/development.md")).unwrap());
    let folders: Vec<_> = crates.iter().map(|(folder, _)| folder.as_str()).collect();
    assert_eq!(folders, ["operator/src", "crds/src", "resizer/src", "resizer/picture/src"]);
    let faults: Vec<_> = crates.iter().flat_map(|(folder, floors)| faults(folder, floors)).collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn the_check_sees_what_it_looks_for() {
    let module = |path: &str| path.split('/').map(ToOwned::to_owned).collect::<Module>();
    let source = |text: &str, at: &str| {
        let (module, parsed) = (module(at), syn::parse_file(text).unwrap());
        let mut reader = Reader { module: &module, inner: Vec::new(), children: children(&parsed.items), source: Source::default() };
        reader.visit_file(&parsed);
        reader.source
    };
    let sources: BTreeMap<_, _> = [
        (Module::new(), Source::default()),
        (module("a"), source("pub mod b; pub use b::Thing; use crate::c::{self, d::Other};", "a")),
        (
            module("a/b"),
            source("fn f() { super::super::c::g() } #[cfg(test)] mod tests { use crate::e; } mod within { use super::Local; }", "a/b"),
        ),
        (module("c"), source("pub mod d; use crate::a::Thing as Renamed;", "c")),
        (module("c/d"), source("use std::fmt;", "c/d")),
        (module("e"), source("", "e")),
    ]
    .into();
    let arrows = arrows(&sources);
    let to = |from: &str| arrows[&module(from)].iter().map(name).collect::<Vec<_>>();
    assert_eq!((to("a"), to("a/b"), to("c")), (vec!["c".to_owned(), "c/d".to_owned()], vec!["c".to_owned()], vec!["a/b".to_owned()]));
    assert_eq!(circle(&module("a/b"), &arrows).unwrap().into_iter().map(name).collect::<Vec<_>>(), ["a/b", "c"]);
    assert_eq!(circle(&module("a"), &arrows), None);
    let plan = plan("text\n```rooms\ncrds/src\n  a b — words\n  c — more\n```\n");
    assert_eq!(plan, [("crds/src".to_owned(), vec![vec!["a".to_owned(), "b".to_owned()], vec!["c".to_owned()]])]);
}
