//! `gateway check` and `gateway redact`: the engine at the command line.

mod lines;
mod report;

use std::io::{IsTerminal, Read, Write};
use std::path::Path;

use super::args::{CheckArgs, Common, DirectionArg, TextArgs};
use super::{Failure, Outcome, config};
use crate::app;
use crate::config::{Action, Overrides};
use crate::inspect::{Category, Engine, RuleSet, find, redact};
use crate::wire::event::Direction;

/// Most bytes of one text.
const MOST_TEXT: u64 = 1 << 30;

/// Found something that the rules act on.
const EXIT_FOUND: u8 = 1;

/// Says what the rules find in a text, or answers line after line.
pub fn check(common: &Common, args: &CheckArgs) -> Outcome {
    let mut rules = rules(common, &args.text)?;
    let direction = direction(&args.text);
    if args.jsonl {
        // A detector is asked what it knows, not what is done about it.
        raise(&mut rules, direction, if args.stream { Action::Redact } else { Action::Warn })?;
        return lines::answer(&engine(&rules)?, direction, args.stream);
    }
    raise(&mut rules, direction, Action::Warn)?;
    let engine = engine(&rules)?;
    let text = read(args.text.text.as_deref())?;
    let found = find(&engine, direction, &text);
    if common.json {
        report::json(&engine, &text, &found);
    } else {
        report::people(&engine, &text, &found, std::io::stdout().is_terminal());
    }
    Ok(if found.iter().any(|finding| finding.action.enforces()) { EXIT_FOUND } else { 0 })
}

/// Prints a text with its values replaced by masks.
pub fn redacted(common: &Common, args: &TextArgs) -> Outcome {
    let engine = engine(&rules(common, args)?)?;
    let (text, _) = redact(&engine, direction(args), &read(args.text.as_deref())?);
    let mut out = std::io::stdout().lock();
    // A reader that went away is no error.
    let _ = out.write_all(text.as_bytes());
    if args.text.as_deref().is_some_and(|given| is_literal(given) && !given.ends_with('\n')) {
        let _ = out.write_all(b"\n");
    }
    Ok(0)
}

/// The rules of the configuration, with files of the command line beside them, cut down to the classes asked for.
fn rules(common: &Common, args: &TextArgs) -> Result<RuleSet, Failure> {
    let config = config::load(common, |_: &mut Overrides| ())?;
    let mut rules = app::rules(&config)?;
    for file in &args.rules {
        rules.extend_from_file(file)?;
    }
    if !args.class.is_empty() {
        let mut classes = Vec::new();
        for name in &args.class {
            classes.push(Category::parse(name).ok_or_else(|| {
                Failure::command(format!(
                    "--class {name}: no such class; there are {}",
                    Category::NAMES.join(", ")
                ))
            })?);
        }
        rules.retain(|rule| classes.contains(&rule.category));
    }
    Ok(rules)
}

/// Lets every rule do at least `least`.
fn raise(rules: &mut RuleSet, direction: Direction, least: Action) -> Result<(), Failure> {
    let weaker = rules.rules().filter(|rule| rule.info.action(direction) < least);
    let weaker: Vec<String> = weaker
        .filter(|rule| !rule.is_scored() || least == Action::Warn)
        .map(|rule| rule.info.id.clone())
        .collect();
    for id in weaker {
        rules.set_action(&id, direction, least)?;
    }
    Ok(())
}

fn engine(rules: &RuleSet) -> Result<Engine, Failure> {
    // The key only matters for digests, and none is shown.
    Ok(Engine::build(rules, true, &[0; 32])?)
}

fn direction(args: &TextArgs) -> Direction {
    match args.direction {
        DirectionArg::Request => Direction::Request,
        DirectionArg::Reply => Direction::Reply,
    }
}

/// Whether an argument is the text itself, rather than the name of a file.
fn is_literal(given: &str) -> bool {
    given != "-" && !Path::new(given).is_file()
}

/// The text: of a file if there is one of that name, of standard input for `-` or nothing, else the argument itself.
fn read(given: Option<&str>) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let name = match given {
        Some(text) if is_literal(text) => return Ok(text.to_owned()),
        Some("-") | None => {
            std::io::stdin().lock().take(MOST_TEXT + 1).read_to_end(&mut bytes)?;
            "standard input"
        }
        Some(file) => {
            std::fs::File::open(file)?.take(MOST_TEXT + 1).read_to_end(&mut bytes)?;
            file
        }
    };
    if bytes.len() as u64 > MOST_TEXT {
        return Err(Failure::command(format!("{name} is longer than 1 GiB: check it in parts")));
    }
    Ok(match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}
