//! Training on made-up texts: it learns, and learns the same each time.

use super::*;

/// Writes a file of rows, half of them positive, each with words of its own.
fn rows(folder: &std::path::Path) -> String {
    let word = |seed: u64| -> String {
        (0..6).map(|at| char::from(b'a' + (data::mix(seed * 8 + at) % 26) as u8)).collect()
    };
    let mut text = String::new();
    for row in 0..160u64 {
        let words: Vec<String> = (0..12).map(|at| word(row * 12 + at)).collect();
        let (label, tell) =
            if row % 2 == 0 { ("attack", "obey the wizard") } else { ("benign", "water the garden") };
        let row = serde_json::json!({ "text": format!("{} {tell} {}", words[..6].join(" "), words[6..].join(" ")), "label": label });
        text.push_str(&format!("{row}\n"));
    }
    let file = folder.join("rows.jsonl");
    std::fs::write(&file, text).expect("written");
    file.display().to_string()
}

#[test]
fn the_same_rows_give_the_same_bytes() {
    let folder = std::env::temp_dir().join(format!("gateway-train-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let data = vec![format!("injection={}", rows(&folder))];
    let files: Vec<Vec<u8>> = ["one", "two"]
        .map(|name| {
            let output = folder.join(name);
            let options = Options {
                data: data.clone(),
                output: output.clone(),
                note: "made up".to_owned(),
                cost: 40.0,
            };
            run(&options).expect("it trains");
            std::fs::read(output).expect("it was written")
        })
        .into();
    let set = data::read(&data).expect("rows");
    std::fs::remove_dir_all(&folder).expect("removed");
    assert!(files[0] == files[1], "two runs differ");
    let (_, figures) = train(&set, "injection", 40.0).expect("it trains");
    assert!(figures.contains("finds 80 of 80"), "{figures}");
}

#[test]
fn what_is_missing_is_said() {
    let check = |data: &[&str], expected: &str| {
        let data = data.iter().map(|file| (*file).to_owned()).collect();
        let options = Options { data, output: "/dev/null".into(), note: String::new(), cost: 1.0 };
        let said = format!("{:#}", run(&options).expect_err("cannot be"));
        assert!(said.contains(expected), "{said}");
    };
    check(&["none.jsonl"], "none.jsonl");
    check(&["/dev/null"], "0 heads");
}
