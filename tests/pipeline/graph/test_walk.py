from pipeline.graph.walk import reachable


def test_a_shared_neighbour_and_a_circle_are_visited_once():
    graph = {"a": "bc", "b": "d", "c": "d", "d": "a", "alone": ""}
    visited = []

    def neighbours(vertex):
        visited.append(vertex)
        return graph[vertex]

    assert reachable(["a", "b"], neighbours) == set("abcd")
    assert sorted(visited) == ["a", "b", "c", "d"]
