"""What looks dead to a reader of the code alone, and why it is not. Read by vulture."""

# click and transformers' trainer callbacks call these by name.
_.list_commands
_.get_command
_.format_commands
_.format_epilog
_.on_step_begin
_.on_step_end
_.on_log

# tokenizers reads this attribute when it trains and encodes.
_.pre_tokenizer

# Protocols that a user's own reward models and embedders implement (records/protocols.py).
_.score
_.embed

# Fields of records and results that are written to files and read by users.
_.made_by
_.parents
_.rationale
_.TIE
_.kappa
_.only_first
_.only_second
_.dropped
_.eta_seconds
_.stopped_early
_.off_scale

# Feedback that every batch carries, for objectives that learn from ranks and ratings.
_.turn_R
_.last_R
_.rank_R
_.rating_R

# Public: a user saves adapters alone, combines two rewards, or asks how facts reach the model.
_.save_adapter
_.of_two
_.supports_tool_role

# Settings of world.Faults that are read by their names (getattr), and how uvicorn is told to stop.
_.length_bias
_.refuse
_.rate_limit_share
_.should_exit
_.force_exit

# Counts of feedback, told by their names (asdict), and what html.parser calls.
_.undesirable
_.handle_starttag
_.handle_endtag
_.handle_data
