//! The check that the README's map of the code shows the code as it is.

use super::{Complaint, ROOMS, Tree};

const README: &str = "README.md";

/// What the map's rows begin with: a table whose first column is the room.
const ROW: &str = "| `";

/// The heading over the map.
const HEADING: &str = "Map of the code";

/// The map lists every room there is, in import order, and none that is gone.
pub fn map(tree: &Tree, complaints: &mut Vec<Complaint>) {
    let Some(readme) = tree.text(README) else { return };
    let mapped = mapped(&readme.content);
    if mapped.is_empty() {
        let what = format!("has no section «{HEADING}» with a table of rooms");
        complaints.push(Complaint::new(README, 0, what));
        return;
    }
    for (line, room) in &mapped {
        if !exists(tree, room) {
            complaints.push(Complaint::new(README, *line, format!("the map names `{room}`, which is gone")));
        }
    }
    for room in ROOMS.iter().filter(|room| exists(tree, room)) {
        if !mapped.iter().any(|(_, name)| name == room) {
            complaints.push(Complaint::new(README, 0, format!("the map does not list the room `{room}`")));
        }
    }
    let places: Vec<_> =
        mapped.iter().filter_map(|(_, room)| ROOMS.iter().position(|name| name == room)).collect();
    if !places.is_sorted() {
        complaints.push(Complaint::new(README, mapped[0].0, "the map is not in import order"));
    }
}

/// The rooms of the map with their lines.
fn mapped(readme: &str) -> Vec<(usize, &str)> {
    let lines = readme.lines().enumerate().map(|(index, line)| (index + 1, line));
    let map = lines.skip_while(|(_, line)| !(line.starts_with('#') && line.ends_with(HEADING))).skip(1);
    let rows = map.take_while(|(_, line)| !line.starts_with('#')).filter_map(|(number, line)| {
        let (room, _) = line.strip_prefix(ROW)?.split_once('`')?;
        Some((number, room))
    });
    rows.collect()
}

fn exists(tree: &Tree, room: &str) -> bool {
    let (folder, file) = (format!("gateway-user/src/{room}/"), format!("gateway-user/src/{room}.rs"));
    tree.sources.iter().any(|source| source.path.starts_with(&folder) || source.path == file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::complaints;

    fn check(rows: &[&str], expected: &[&str]) {
        let rows: String = rows.iter().map(|room| format!("| `{room}` | what it is for |\n")).collect();
        let readme = format!("# Gateway\n| `none` |\n## Map of the code\n{rows}\n## Next\n| `none` |\n");
        let files = [
            (README, readme.as_str()),
            ("gateway-user/src/store/mod.rs", ""),
            ("gateway-user/src/wire/mod.rs", ""),
        ];
        assert_eq!(complaints(map, &files), expected);
    }

    #[test]
    fn the_map_is_the_code() {
        check(&["store", "wire"], &[]);
        check(&["store"], &["README.md: the map does not list the room `wire`"]);
        check(&["store", "wire", "flow"], &["README.md:6: the map names `flow`, which is gone"]);
        check(&["wire", "store"], &["README.md:4: the map is not in import order"]);
        check(&[], &["README.md: has no section «Map of the code» with a table of rooms"]);
    }
}
