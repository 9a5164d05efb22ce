"""A chart's data, table and file are the same numbers."""

from __future__ import annotations

import csv
import io
import json

from chatsite.dashboard.charts import Chart, Series


def a_chart(**more: object) -> Chart:
    series = [Series("good", [1, None]), Series("bad", [0.5, 2], axis="y1"), Series("hidden", [7, 8], is_drawn=False)]
    fields = {"key": "k", "title": "T", "unit": "things", "labels": ["a", "b"], "series": series, "label": "What"}
    return Chart(**{**fields, **more})  # type: ignore[arg-type]


def test_what_is_drawn_is_what_the_table_says() -> None:
    data = json.loads(a_chart().data())
    assert data["labels"] == ["a", "b"]
    assert [(one["label"], one["data"]) for one in data["datasets"]] == [("good", [1, None]), ("bad", [0.5, 2])]
    table = a_chart().table()
    assert table.startswith('<tr><th scope="row">a</th><td>1</td><td>0.5</td><td>7</td></tr>')
    assert "<td>–</td><td>2</td><td>8</td>" in table


def test_the_file_has_all_columns() -> None:
    rows = list(csv.reader(io.StringIO(a_chart().csv())))
    assert rows == [["What", "good", "bad", "hidden"], ["a", "1", "0.5", "7"], ["b", "", "2", "8"]]


def test_names_of_people_are_no_formulas_and_no_markup() -> None:
    chart = a_chart(labels=["=1+1", "<script>"])
    assert [row[0] for row in csv.reader(io.StringIO(chart.csv()))][1:] == ["'=1+1", "<script>"]
    assert "<script>" not in chart.table()
    assert "&lt;script&gt;" in chart.table()


def test_a_second_axis_is_there_only_where_something_uses_it() -> None:
    assert "y1" not in json.loads(a_chart().options())["scales"]
    both = a_chart(right_unit="seconds")
    assert json.loads(both.options())["scales"]["y1"]["title"]["text"] == "seconds"
    assert [one["yAxisID"] for one in json.loads(both.data())["datasets"]] == ["y", "y1"]


def test_bars_of_nothing_say_something_and_lines_of_nothing_do_not() -> None:
    nothing = [Series("one", [0, 0])]
    assert a_chart(series=nothing).is_empty
    assert not a_chart(series=nothing, kind="across").is_empty
    assert a_chart(series=[Series("one", [None, None])], kind="across").is_empty


def test_bars_across_name_what_they_are_for() -> None:
    options = json.loads(a_chart(kind="across", reach=100).options())
    assert options["indexAxis"] == "y"
    assert options["scales"]["x"]["suggestedMax"] == 100
    assert options["scales"]["y"]["ticks"]["autoSkip"] is False
