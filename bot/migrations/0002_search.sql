{search_index}
