//! `gateway explain`: every setting, where it comes from, and what the rules hold back.

use serde_json::json;

use super::{
    Outcome,
    args::Common,
    config,
    output::{self, line, table},
};
use crate::{app, wire::event::Direction};

/// Prints the effective configuration and the effect of the rules.
pub fn explain(common: &Common) -> Outcome {
    let config = config::load(common, |_| ())?;
    // The key only matters for digests, and nothing is scanned here.
    let engine = &app::engine(&config, &[0; 32])?;
    let settings = config.explain();
    let held: Vec<(Direction, Vec<crate::inspect::Hold>)> =
        [Direction::Request, Direction::Reply].map(|direction| (direction, engine.held_by(direction))).into();
    if common.json {
        let held: Vec<_> = held
            .iter()
            .flat_map(|(direction, holds)| {
                holds.iter().map(move |hold| {
                    json!({
                        "direction": direction,
                        "rule": engine.rule(hold.rule).id,
                        "action": engine.action(hold.rule, *direction),
                        "most_bytes": hold.most,
                    })
                })
            })
            .collect();
        output::json(&json!({ "settings": settings, "held": held, "engine_bytes": engine.memory() }));
        return Ok(0);
    }
    let rows: Vec<Vec<String>> = settings
        .iter()
        .map(|setting| {
            vec![
                setting.key.to_owned(),
                setting.value.clone(),
                setting.origin.clone(),
                setting.about.to_owned(),
            ]
        })
        .collect();
    table(&["KEY", "VALUE", "FROM", "MEANING"], &rows);
    for (direction, holds) in &held {
        line("");
        line(match direction {
            Direction::Request => "Requests are judged whole before a byte leaves. Enforced in them:",
            Direction::Reply => {
                "A streamed reply waits only while a match may still be in the making. Enforced in it:"
            }
        });
        let rows: Vec<Vec<String>> = holds
            .iter()
            .map(|hold| {
                let rule = engine.rule(hold.rule);
                vec![
                    rule.id.clone(),
                    format!("{:?}", engine.action(hold.rule, *direction)).to_lowercase(),
                    hold.most.to_string(),
                ]
            })
            .collect();
        table(&["RULE", "ACTION", ">HOLDS AT MOST (BYTES)"], &rows);
    }
    Ok(0)
}
