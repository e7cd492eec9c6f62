"""The commands of `handrail reward`.

A command and its Python function have a file each: train and training (`handrail.train_reward`),
score and scoring, prepare and preparing, evaluate (`reward eval`) and evaluating, select and
selecting. `scorers` opens what is named as a reward model, `graded` a language model that grades.
`eval_input` reads what models are measured by; `eval_text`, `eval_page` and `eval_drawings` show
what came out, as `select_text` and `select_page` do for a choice.
"""
