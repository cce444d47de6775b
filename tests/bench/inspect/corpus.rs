//! Texts of the corpus, where `GATEWAY_CORPUS` names one.

use std::path::Path;

use serde_json::Value;

use super::texts::Text;

/// Files of lines with a `text` each, benign or not.
const FILES: [&str; 3] =
    ["injection/benign.jsonl", "pii/synthetic_zh_en.jsonl", "secrets/hard_negatives_traffic.jsonl"];

/// Texts of about `length` bytes, repeated where there is less. None without a corpus.
pub fn texts(length: usize) -> Vec<Text> {
    let Some(corpus) = std::env::var_os("GATEWAY_CORPUS") else { return Vec::new() };
    let mut texts: Vec<Text> = Vec::new();
    for file in FILES {
        texts.push((format!("corpus {file}"), lines(&Path::new(&corpus).join(file))));
    }
    texts.push(("corpus request bodies".to_owned(), bodies(&Path::new(&corpus).join("traffic"))));
    let filled = |(name, text): Text| (name, text.iter().copied().cycle().take(length).collect());
    texts.into_iter().filter(|(_, text)| !text.is_empty()).map(filled).collect()
}

fn lines(path: &Path) -> Vec<u8> {
    let read = std::fs::read_to_string(path).unwrap_or_default();
    let rows = read.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let texts = rows.filter_map(|row| Some(row["text"].as_str()?.to_owned() + "\n"));
    texts.collect::<String>().into_bytes()
}

/// Recorded requests, one behind the other.
fn bodies(folder: &Path) -> Vec<u8> {
    let mut text = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let mut entries: Vec<_> =
            std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("request")) {
                text.extend(std::fs::read(path).unwrap_or_default());
            }
        }
    }
    text
}
