// The cards that this process sees.
#pragma once

#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

namespace counting {

// Numbers of the cards that CUDA_VISIBLE_DEVICES named when this was first asked, of the one, or COUNTING_CARDS, that
// there are; as CUDA does, up to the first entry that is no card.
inline const std::vector<int>& visible_cards() {
    static const std::vector<int> found = [] {
        const char *told = std::getenv("COUNTING_CARDS"), *visible = std::getenv("CUDA_VISIBLE_DEVICES");
        const int count = told ? std::atoi(told) : 1;
        std::vector<int> cards;
        if (!visible) {
            for (int card = 0; card < count; card++) cards.push_back(card);
            return cards;
        }
        std::istringstream entries(visible);
        for (std::string entry; std::getline(entries, entry, ',');) {
            char* end = nullptr;
            const long card = std::strtol(entry.c_str(), &end, 10);
            if (end == entry.c_str() || card < 0 || card >= count) break;
            cards.push_back(static_cast<int>(card));
        }
        return cards;
    }();
    return found;
}

}  // namespace counting
